// Package doccheck holds tests that documents in docs say what the code does: the map of packages and their imports in
// architecture.md, and the list of operators in operators.md.
package doccheck
