;; Grows three tables in turn. Stopped by the limit over all of them together.
;; @top
(table $a 1 funcref) (table $b 1 funcref) (table $c 1 funcref)
;; @handle
(loop $again
  (drop (table.grow $a (ref.null func) (i32.const 5000)))
  (drop (table.grow $b (ref.null func) (i32.const 5000)))
  (drop (table.grow $c (ref.null func) (i32.const 5000)))
  (br $again))
