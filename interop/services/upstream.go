// A plain HTTP server as Go serves, tried by hand: port and name as arguments. A part of upstream.py.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

func main() {
	name, connections := os.Args[2], int64(0)
	handle := func(w http.ResponseWriter, r *http.Request) {
		kind := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		switch kind {
		case "echo":
			if r.ContentLength >= 0 {
				w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
			}
			http.NewResponseController(w).EnableFullDuplex()
			buffer := make([]byte, 1<<16)
			for {
				n, err := r.Body.Read(buffer)
				w.Write(buffer[:n])
				if err != nil {
					return
				}
				http.NewResponseController(w).Flush()
			}
		case "early":
			w.Header().Set("Connection", "close")
			w.WriteHeader(413)
			io.WriteString(w, "enough")
		case "die":
			w.Header().Set("Content-Length", "1000000")
			w.Write(make([]byte, 100000))
			http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond) // so that a part is out before the process is not
			os.Exit(1)
		case "slow":
			ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
			time.Sleep(time.Duration(ms) * time.Millisecond)
			io.WriteString(w, "slow")
		case "name":
			io.WriteString(w, name)
		case "status":
			status, _ := strconv.Atoi(r.URL.Query().Get("status"))
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(status)
		case "connections":
			io.WriteString(w, strconv.FormatInt(atomic.LoadInt64(&connections), 10))
		default:
			total := sha256.New()
			size, _ := io.Copy(total, r.Body)
			headers := [][2]string{{"host", r.Host}}
			for key, values := range r.Header {
				for _, value := range values {
					headers = append(headers, [2]string{strings.ToLower(key), value})
				}
			}
			w.Header().Add("Set-Cookie", "a=1; Path=/")
			w.Header().Add("Set-Cookie", "b=2")
			w.Header().Set("X-Kind", "go")
			w.Header().Set("ETag", `"x"`)
			json.NewEncoder(w).Encode(map[string]any{
				"method": r.Method, "target": r.RequestURI, "headers": headers,
				"bytes": size, "sha256": hex.EncodeToString(total.Sum(nil)),
			})
		}
	}
	server := http.Server{Handler: http.HandlerFunc(handle), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			atomic.AddInt64(&connections, 1)
		}
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	println("ready")
	panic(server.Serve(listener))
}
