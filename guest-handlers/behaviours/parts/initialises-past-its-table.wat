;; Has a segment of elements that lies beyond its table. Refused at load.
;; @top
(table $t 10 funcref)
(func $f)
(elem (table $t) (i32.const 9) func $f $f)
