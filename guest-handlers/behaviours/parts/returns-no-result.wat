;; Returns a result that is neither success nor failure. A trap.
;; @handle
(i32.store8 (i32.const 16) (i32.const 7))
(return (i32.const 16))
