// Package alert takes what happened to a release and where to tell it, and gives the request to send. It is pure.
package alert
