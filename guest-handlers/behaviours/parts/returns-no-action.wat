;; Returns a failure with an action that there is none of. A trap.
;; @handle
(i32.store8 (i32.const 16) (i32.const 1))
(i32.store8 (i32.const 20) (i32.const 200))
(return (i32.const 16))
