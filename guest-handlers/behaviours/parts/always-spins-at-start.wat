;; Computes without end in its start function. Refused at load.
;; @top
(func $start (loop $again (br $again)))
(start $start)
