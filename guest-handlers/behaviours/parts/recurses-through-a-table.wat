;; Two functions with many local variables that call each other through a table. Stopped by the stack.
;; @top
(type $deeper (func (param i64) (result i64)))
(table $t funcref (elem $even $odd))
(func $even (type $deeper)
  (local i64 i64 i64 i64 i64 i64 i64 i64)
  (local.set 1 (i64.add (local.get 0) (i64.const 1)))
  (local.set 2 (i64.mul (local.get 1) (i64.const 3)))
  (i64.add (local.get 2) (call_indirect $t (type $deeper) (local.get 1) (i32.const 1))))
(func $odd (type $deeper)
  (local v128 v128)
  (i64.add (local.get 0) (call_indirect $t (type $deeper) (i64.add (local.get 0) (i64.const 1)) (i32.const 0))))
;; @handle
(drop (call $even (i64.const 0)))
