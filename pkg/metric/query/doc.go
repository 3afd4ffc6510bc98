// Package query takes the text of a metric's query and the Canary that it is asked for, and gives what is sent to the
// provider. It is pure.
package query
