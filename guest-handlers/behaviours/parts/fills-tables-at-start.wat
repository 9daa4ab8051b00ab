;; Has a table of 90,000 elements and 20,000 of them filled in by segments. Committed.
;; @top
(table $t 90000 funcref)
(func $f)
(elem (table $t) (i32.const 0) func {repeat 10000 $f })
(elem (table $t) (i32.const 80000) func {repeat 10000 $f })
;; @handle
(if (ref.is_null (table.get $t (i32.const 89999))) (then unreachable))
(if (i32.eqz (ref.is_null (table.get $t (i32.const 50000)))) (then unreachable))
