;; Describes itself in more than a megabyte. Refused at load.
;; @describe
 
(drop (memory.grow (i32.const 40)))
(i32.store (i32.const 8) (i32.const 65536))
(i32.store (i32.const 12) (i32.const 2000000))
(memory.fill (i32.const 65536) (i32.const 32) (i32.const 2000000))
(return (i32.const 8))
