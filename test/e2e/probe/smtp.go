package main

import (
	"errors"
	"io"
	"net"
	"net/textproto"
	"strings"
)

// serveSMTP is a mail server that throws every mail away. What matters is that it speaks first: its client says nothing
// before the greeting, so a proxy that waits to see the protocol waits forever.
func (s *server) serveSMTP(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_ = s.converse(textproto.NewConn(conn))
		}()
	}
}

// converse speaks RFC 5321 as far as a client needs that delivers a mail.
func (s *server) converse(c *textproto.Conn) error {
	if err := c.PrintfLine("220 %s ESMTP", s.name); err != nil {
		return err
	}
	for {
		line, err := c.ReadLine()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "EHLO", "HELO":
			// A private extension carries the name, because net/smtp keeps the greeting for itself.
			err = c.PrintfLine("250-%s\r\n250 XNAME %s", s.name, s.name)
		case "MAIL", "RCPT", "RSET", "NOOP":
			err = c.PrintfLine("250 ok")
		case "DATA":
			if err = c.PrintfLine("354 go on"); err == nil {
				if _, err = io.Copy(io.Discard, c.DotReader()); err == nil {
					err = c.PrintfLine("250 taken")
				}
			}
		case "QUIT":
			return c.PrintfLine("221 bye")
		default:
			err = c.PrintfLine("502 not known")
		}
		if err != nil {
			return err
		}
	}
}
