;; Traps where debug information names 100,000 inlined functions by one name of 4 MB. A trap.
;; @top
(@custom ".debug_abbrev" "\01\11\01\00\00\02\2e\01\11\01\12\06\00\00\03\1d\01\03\0e\11\01\12\06\00\00\00")
(@custom ".debug_info" "\31\d6\13\00\04\00\00\00\00\00\04\01\02\00\00\00\00\ff\ff\ff\7f{repeat 100000 \03\00\00\00\00\00\00\00\00\ff\ff\ff\7f}")
(@custom ".debug_str" "{repeat 4000000 n}\00")
(func $traps unreachable)
;; @handle
(call $traps)
