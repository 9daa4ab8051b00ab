;; Looks through 32 MiB of fresh memory, a table and its globals, and traps if anything is there. Committed.
;; @top
(table $t 50000 funcref)
(global $g (mut i64) (i64.const 0))
;; @handle
(local $at i32) (local $end i32)
(if (i64.ne (global.get $g) (i64.const 0)) (then unreachable))
(global.set $g (i64.const -1))
(drop (memory.grow (i32.const 512)))
(local.set $at (i32.const 131072))
(local.set $end (i32.add (i32.const 131072) (i32.const 33554432)))
(loop $bytes
  (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
  (local.set $at (i32.add (local.get $at) (i32.const 8)))
  (br_if $bytes (i32.lt_u (local.get $at) (local.get $end))))
(local.set $at (i32.const 0))
(loop $elements
  (if (i32.eqz (ref.is_null (table.get $t (local.get $at)))) (then unreachable))
  (local.set $at (i32.add (local.get $at) (i32.const 1)))
  (br_if $elements (i32.lt_u (local.get $at) (i32.const 50000))))
