;; Copies 20,000 elements from a segment into a table without end. Stopped by fuel.
;; @top
(table $t 20000 funcref)
(func $f)
(elem $e func {repeat 20000 $f })
;; @handle
(loop $again
  (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 20000))
  (br $again))
