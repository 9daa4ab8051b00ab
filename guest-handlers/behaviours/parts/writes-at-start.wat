;; Inserts a document from its start function, but not when it is described. Committed.
;; @grants {"written_at_start": ["write"]}
;; @top
(import "wasi" "wall" (func $wall (param i32)))
(import "documents" "insert-one" (func $insert (param i32 i32 i32 i32 i32 i32 i32 i32)))
(func $is-delivery (result i32)
  ;; The wall clock stands at 0 in describe.
  (call $wall (i32.const 64))
  (i64.ne (i64.load (i32.const 64)) (i64.const 0)))
(data (i32.const 4096) "written_at_start{}")
(func $start
  (if (call $is-delivery) (then
    (call $insert (i32.const 4096) (i32.const 16) (i32.const 4112) (i32.const 2)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))))
(start $start)
