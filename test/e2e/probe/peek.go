package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"
)

func peekCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "peek HOST:PORT",
		Short: "Print the names in the certificate that is served there, whoever signed it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", args[0], &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				return err
			}
			defer conn.Close()
			chain := conn.ConnectionState().PeerCertificates
			if len(chain) == 0 {
				return errors.New("no certificate")
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), chain[0].DNSNames)
			return err
		},
	}
}
