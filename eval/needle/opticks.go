package needle

import _ "embed"

// Opticks is a text to hide facts in, of about 4,600 tokens: Isaac Newton,
// Opticks, 4th edition (1730), Queries 28 to 31. See opticks.md.
//
//go:embed opticks.txt
var Opticks string
