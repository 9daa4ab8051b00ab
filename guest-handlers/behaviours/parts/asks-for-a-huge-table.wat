;; Has a table of ten million elements. Refused at load.
;; @top
(table $t 10000000 funcref)
