;; Traps below a stack of functions with names of 90,000 bytes. A trap.
;; @top
(func $deep (@name "{repeat 90000 n}") (param i32)
  (if (i32.eqz (local.get 0)) (then unreachable))
  (call $deep (i32.sub (local.get 0) (i32.const 1))))
;; @handle
(call $deep (i32.const 100))
