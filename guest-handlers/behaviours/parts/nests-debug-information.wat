;; Traps in a function whose debug information nests a million inlined functions. A trap.
;; @top
(@custom ".debug_abbrev" "\01\11\01\00\00\02\2e\01\11\01\12\06\00\00\03\1d\01\00\00\00")
(@custom ".debug_info" "\51\42\0f\00\04\00\00\00\00\00\04\01\02\00\00\00\00\ff\ff\ff\7f{repeat 1000000 \03}")
(func $traps unreachable)
;; @handle
(call $traps)
