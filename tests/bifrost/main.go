// The real Bifrost, as a server that a test starts, kills and starts again.
//
// It is the server of the published module, not changed in anything; see README.md.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	bifrost "github.com/maximhq/bifrost/core"
	"github.com/maximhq/bifrost/core/schemas"
	"github.com/maximhq/bifrost/transports/bifrost-http/handlers"
	"github.com/maximhq/bifrost/transports/bifrost-http/lib"
	"github.com/maximhq/bifrost/transports/bifrost-http/server"
)

// version is what go.mod pins, and what the server says of itself.
const version = "v1.6.0"

// The page stands where the dashboard's files would, which the module does not carry.
//
//go:embed all:ui
var ui embed.FS

// Where the server looks for what it would otherwise fetch from the Internet before it starts: config.json
// refers to them as env.NAME.
const (
	pricesURL     = "BIFROST_TEST_PRICES"
	parametersURL = "BIFROST_TEST_MODEL_PARAMETERS"
	libraryURL    = "BIFROST_TEST_MCP_LIBRARY"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bifrost:", err)
		os.Exit(1)
	}
}

func run() error {
	gateway := server.NewBifrostHTTPServer(version, ui)
	flag.StringVar(&gateway.Host, "host", "127.0.0.1", "the address to listen on")
	flag.StringVar(&gateway.Port, "port", "0", "the port to listen on, 0 for a free one")
	flag.StringVar(&gateway.AppDir, "app-dir", "", "the folder with config.json")
	flag.Parse()
	if gateway.AppDir == "" {
		return errors.New("-app-dir is missing: name the folder with config.json")
	}

	logger := bifrost.NewDefaultLogger(schemas.LogLevelInfo)
	lib.SetLogger(logger)
	handlers.SetLogger(logger)
	server.SetLogger(logger)

	if err := serveDataSheets(); err != nil {
		return err
	}
	if err := gateway.Bootstrap(context.Background()); err != nil {
		return err
	}
	if gateway.Port == "0" {
		port, err := freePort(gateway.Host)
		if err != nil {
			return err
		}
		gateway.Port = port
	}
	go announce(net.JoinHostPort(gateway.Host, gateway.Port))
	return gateway.Start()
}

// serveDataSheets serves what the server asks for before it starts, on a free port of this machine.
func serveDataSheets() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	sheets := http.NewServeMux()
	for path, sheet := range map[string]struct{ variable, text string }{
		"/prices": {pricesURL, `{"gpt-4o":{"base_model":"gpt-4o","provider":"openai","mode":"chat"}}`},
		// Not empty: a server that is started again, and has none stored, asks where the one before it asked.
		"/parameters": {parametersURL, `{"gpt-4o":{"max_output_tokens":16384}}`},
		"/library":    {libraryURL, `{}`},
	} {
		if err := os.Setenv(sheet.variable, "http://"+listener.Addr().String()+path); err != nil {
			return err
		}
		sheets.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, sheet.text)
		})
	}
	go func() { _ = http.Serve(listener, sheets) }()
	return nil
}

func freePort(host string) (string, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// announce prints the address as soon as the server accepts connections on it.
func announce(address string) {
	for {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			_ = connection.Close()
			fmt.Println("listening on", address)
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}
