;; Grows four memories in turn. Stopped by the limit over all of them together.
;; @top
(memory $a 1) (memory $b 1) (memory $c 1)
;; @handle
(loop $again
  (drop (memory.grow $a (i32.const 16)))
  (drop (memory.grow $b (i32.const 16)))
  (drop (memory.grow $c (i32.const 16)))
  (br $again))
