select block, leaf, records from derivation
