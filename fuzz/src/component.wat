;; A handler whose `handle` is a core module that a fuzzer made, and whose `describe` is always right. The memory stands in
;; a module of its own, so that the host's functions can be lowered before the fuzzed module is instantiated.
(component
  (import "weir:handler/types@0.1.0" (instance $types
    (type $error-record (record (field "code" string) (field "message" string)))
    (export "error" (type (eq $error-record)))
    (type $event-record (record
      (field "id" string)
      (field "sequence" (option string))
      (field "event-type" string)
      (field "aggregate-type" string)
      (field "aggregate-id" string)
      (field "payload" string)
      (field "created-at" s64)
      (field "headers" (list (tuple string string)))
      (field "columns" string)))
    (export "event" (type (eq $event-record)))
    (type $actions (enum "retry" "reject" "skip"))
    (export "action" (type $action (eq $actions)))
    (type $failure-record (record
      (field "action" $action)
      (field "error-type" string)
      (field "message" string)
      (field "trace" (option string))
      (field "after-ms" (option u32))))
    (export "failure" (type (eq $failure-record)))))
  (alias export $types "error" (type $error))
  (alias export $types "event" (type $event))
  (alias export $types "action" (type $action))
  (alias export $types "failure" (type $failure))

  (import "weir:handler/delivery@0.1.0" (instance $delivery
    (export "now" (func (result s64)))
    (export "attempt" (func (result u32)))
    (export "random" (func (param "count" u32) (result (list u8))))))
  (import "weir:handler/documents@0.1.0" (instance $documents
    (export "error" (type $error' (eq $error)))
    (type $effect-record (record
      (field "inserted" u64)
      (field "matched" u64)
      (field "modified" u64)
      (field "deleted" u64)
      (field "upserted-id" (option string))))
    (export "effect" (type $effect (eq $effect-record)))
    (export "find-one" (func (param "collection" string) (param "filter" string) (param "options" (option string))
      (result (result (option string) (error $error')))))
    (export "find" (func (param "collection" string) (param "filter" string) (param "options" (option string))
      (result (result (list string) (error $error')))))
    (export "insert-one" (func (param "collection" string) (param "document" string) (param "options" (option string))
      (result (result u32 (error $error')))))
    (export "insert-many" (func
      (param "collection" string) (param "documents" (list string)) (param "options" (option string))
      (result (result u32 (error $error')))))
    (export "effect-of" (func (param "write" u32) (result (result $effect (error $error')))))))
  (import "weir:handler/log@0.1.0" (instance $log
    (type $levels (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $levels)))
    (export "log" (func (param "level" $level) (param "message" string) (param "fields" (option string))))))

  (core module $libc
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (block $enough (loop $grow
        (br_if $enough (i32.le_u (global.get $next) (i32.shl (memory.size) (i32.const 16))))
        (drop (memory.grow (i32.const 1)))
        (br $grow)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))

  (core func $delivery-now (canon lower (func $delivery "now")))
  (core func $delivery-attempt (canon lower (func $delivery "attempt")))
  (core func $delivery-random (canon lower (func $delivery "random") (memory $memory) (realloc $realloc)))
  (core func $find-one (canon lower (func $documents "find-one") (memory $memory) (realloc $realloc)))
  (core func $find (canon lower (func $documents "find") (memory $memory) (realloc $realloc)))
  (core func $insert-one (canon lower (func $documents "insert-one") (memory $memory) (realloc $realloc)))
  (core func $insert-many (canon lower (func $documents "insert-many") (memory $memory) (realloc $realloc)))
  (core func $effect-of (canon lower (func $documents "effect-of") (memory $memory) (realloc $realloc)))
  (core func $log-log (canon lower (func $log "log") (memory $memory)))

  (core module $fixed
    (import "host" "memory" (memory 2))
    (data (i32.const 1024) "{\22events\22: [\22Test\22], \22grants\22: {\22users\22: [\22read\22, \22write\22]}}")
    (data (i32.const 0) "users{}")
    (func (export "describe") (result i32)
      (i32.store (i32.const 24) (i32.const 1024))
      (i32.store (i32.const 28) (i32.const 60))
      (i32.const 24)))
  (core instance $fixed (instantiate $fixed (with "host" (instance (export "memory" (memory $memory))))))
  ;; The third core module, whose bytes are replaced.
  (core module $fuzzed)
  (core instance $guest (instantiate $fuzzed
    (with "host" (instance
      (export "memory" (memory $memory))
      (export "now" (func $delivery-now))
      (export "attempt" (func $delivery-attempt))
      (export "random" (func $delivery-random))
      (export "find-one" (func $find-one))
      (export "insert-one" (func $insert-one))
      (export "insert-many" (func $insert-many))
      (export "effect-of" (func $effect-of))
      (export "log" (func $log-log))))))

  (func $describe (result string)
    (canon lift (core func $fixed "describe") (memory $memory)))
  (func $handle (param "event" $event) (result (result (error $failure)))
    (canon lift (core func $guest "handle") (memory $memory) (realloc $realloc)))
  (instance $handler
    (export "event" (type $event))
    (export "action" (type $action))
    (export "failure" (type $failure))
    (export "describe" (func $describe))
    (export "handle" (func $handle)))
  (export "weir:handler/handler@0.1.0" (instance $handler)))
