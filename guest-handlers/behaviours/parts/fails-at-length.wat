;; Rejects with a type, a message and a trace of 5 MB each. Dead, with each of them cut.
;; @handle
(drop (memory.grow (i32.const 80)))
(memory.fill (i32.const 131072) (i32.const 120) (i32.const 5000000))
(i32.store8 (i32.const 16) (i32.const 1))
(i32.store8 (i32.const 20) (i32.const 1))
(i32.store (i32.const 24) (i32.const 131072)) (i32.store (i32.const 28) (i32.const 5000000))
(i32.store (i32.const 32) (i32.const 131072)) (i32.store (i32.const 36) (i32.const 5000000))
(i32.store8 (i32.const 40) (i32.const 1))
(i32.store (i32.const 44) (i32.const 131072)) (i32.store (i32.const 48) (i32.const 5000000))
(i32.store8 (i32.const 52) (i32.const 0))
(return (i32.const 16))
