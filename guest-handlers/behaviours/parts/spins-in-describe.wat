;; Computes without end when it is described. Refused at load.
;; @describe
(loop $again (br $again))
