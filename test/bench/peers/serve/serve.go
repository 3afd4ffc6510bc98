// Package serve is what the peers' mains have in common: flags, and HTTPS the way the API server asks for it.
package serve

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"
)

// Run serves a handler with a certificate until the process is stopped. Flags are the caller's too.
func Run(handler func() (http.Handler, error)) {
	address := flag.String("address", "127.0.0.1:9443", "where to serve")
	cert := flag.String("tls-cert", "tls.crt", "certificate")
	key := flag.String("tls-key", "tls.key", "its key")
	flag.Parse()
	h, err := handler()
	if err == nil {
		server := &http.Server{Addr: *address, Handler: h, ReadHeaderTimeout: 10 * time.Second}
		err = server.ListenAndServeTLS(*cert, *key)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
