;; Finds by 200,000 `$scope`s, one within the other, and then without any. The first call is refused, and so is the delivery.
;; @grants {"scopes": ["read"]}
;; @top
(import "documents" "find" (func $find (param i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 4096) "scopes{\22$scope\22:{}")
;; @handle
(local $at i32)
(drop (memory.grow (i32.const 64)))
(local.set $at (i32.const 1048576))
(loop $again
  (memory.copy (local.get $at) (i32.const 4102) (i32.const 10))
  (local.set $at (i32.add (local.get $at) (i32.const 10)))
  (br_if $again (i32.lt_u (local.get $at) (i32.const 3048576))))
(i32.store8 (local.get $at) (i32.const 49))
(memory.fill (i32.add (local.get $at) (i32.const 1)) (i32.const 125) (i32.const 200000))
(call $find (i32.const 4096) (i32.const 6) (i32.const 1048576) (i32.const 2200001)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
(call $find (i32.const 4096) (i32.const 6) (i32.const 4112) (i32.const 2)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
