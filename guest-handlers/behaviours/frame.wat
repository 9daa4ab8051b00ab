;; A handler whose core module is filled in: by a test of the sandbox, or by `xtask guests` with one of the files in
;; `parts`. Its memory stands in a module of its own, so that what it imports can be lowered before it is instantiated.
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

  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $monotonic
    (export "pollable" (type $pollable' (eq $pollable)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable'))))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $wall
    (type $datetime-record (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime-record)))
    (export "now" (func (result $datetime)))))
  (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $stream-cause))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "error" (type $cause (eq $stream-cause)))
    (type $stream-errors (variant (case "last-operation-failed" (own $cause)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-errors)))
    (export "output-stream" (type $output-stream (sub resource)))
    (export "[method]output-stream.write" (func
      (param "self" (borrow $output-stream)) (param "contents" (list u8))
      (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (export "output-stream" (type $output-stream' (eq $output-stream)))
    (export "get-stdout" (func (result (own $output-stream'))))))
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
    (export "get-random-u64" (func (result u64)))))

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
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $poll (canon lower (func $poll "poll") (memory $memory) (realloc $realloc)))
  (core func $drop-pollable (canon resource.drop $pollable))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory $memory) (realloc $realloc)))
  (type $own (resource (rep i32)))
  (core func $own-new (canon resource.new $own))
  (core func $own-drop (canon resource.drop $own))
  (core func $monotonic-now (canon lower (func $monotonic "now")))
  (core func $subscribe (canon lower (func $monotonic "subscribe-duration")))
  (core func $wall-now (canon lower (func $wall "now") (memory $memory)))
  (core func $exit-exit (canon lower (func $exit "exit")))
  (core func $arguments (canon lower (func $environment "get-arguments") (memory $memory) (realloc $realloc)))
  (core func $random-bytes (canon lower (func $random "get-random-bytes") (memory $memory) (realloc $realloc)))
  (core func $random-u64 (canon lower (func $random "get-random-u64")))

  (core module $guest
    (import "libc" "memory" (memory 2))
    {top}
    (data (i32.const 1024) "{description}")
    (func $describe (export "describe") (result i32)
      {describe}
      (i32.store (i32.const 8) (i32.const 1024))
      (i32.store (i32.const 12) (i32.const {length}))
      (i32.const 8))
    (func $handle (export "handle") (param i32) (result i32)
      {handle}
      (i32.store8 (i32.const 16) (i32.const 0))
      (i32.const 16)))
  (core instance $guest (instantiate $guest
    (with "libc" (instance $libc))
    (with "delivery" (instance
      (export "now" (func $delivery-now))
      (export "attempt" (func $delivery-attempt))
      (export "random" (func $delivery-random))))
    (with "documents" (instance
      (export "find-one" (func $find-one))
      (export "find" (func $find))
      (export "insert-one" (func $insert-one))
      (export "insert-many" (func $insert-many))
      (export "effect-of" (func $effect-of))))
    (with "log" (instance (export "log" (func $log-log))))
    (with "own" (instance
      (export "new" (func $own-new))
      (export "drop" (func $own-drop))))
    (with "wasi" (instance
      (export "block" (func $block))
      (export "poll" (func $poll))
      (export "drop-pollable" (func $drop-pollable))
      (export "stdout" (func $get-stdout))
      (export "write" (func $write))
      (export "monotonic" (func $monotonic-now))
      (export "subscribe" (func $subscribe))
      (export "wall" (func $wall-now))
      (export "exit" (func $exit-exit))
      (export "arguments" (func $arguments))
      (export "random-bytes" (func $random-bytes))
      (export "random-u64" (func $random-u64))))))

  (func $describe (result string)
    (canon lift (core func $guest "describe") (memory $memory)))
  (func $handle (param "event" $event) (result (result (error $failure)))
    (canon lift (core func $guest "handle") (memory $memory) (realloc $realloc)))
  (instance $handler
    (export "event" (type $event))
    (export "action" (type $action))
    (export "failure" (type $failure))
    (export "describe" (func $describe))
    (export "handle" (func $handle)))
  (export "weir:handler/handler@0.1.0" (instance $handler)))
