;; Fills 32 MiB of memory, a table and its globals, and succeeds. Committed.
;; @top
(table $t 50000 funcref)
(global $g (mut i64) (i64.const 0))
(func $f)
(elem declare func $f)
;; @handle
(drop (memory.grow (i32.const 512)))
(memory.fill (i32.const 131072) (i32.const 165) (i32.const 33554432))
(table.fill $t (i32.const 0) (ref.func $f) (i32.const 50000))
(global.set $g (i64.const -1))
