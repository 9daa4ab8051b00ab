;; Inserts a document when it is described. Refused at load.
;; @grants {"users": ["write"]}
;; @top
(import "documents" "insert-one" (func $insert (param i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 4096) "users{}")
;; @describe
(call $insert (i32.const 4096) (i32.const 5) (i32.const 4101) (i32.const 2)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
