// The processor of bench/extproc.ts in Go: request headers in, one header set.
package main

import (
	"flag"
	"log"
	"net"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
)

type processor struct {
	extproc.UnimplementedExternalProcessorServer
}

func (processor) Process(stream extproc.ExternalProcessor_ProcessServer) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		var path []byte
		for _, header := range request.GetRequestHeaders().GetHeaders().GetHeaders() {
			if header.GetKey() == ":path" {
				path = header.GetRawValue()
			}
		}
		answer := &extproc.ProcessingResponse{Response: &extproc.ProcessingResponse_RequestHeaders{RequestHeaders: &extproc.HeadersResponse{
			Response: &extproc.CommonResponse{HeaderMutation: &extproc.HeaderMutation{SetHeaders: []*core.HeaderValueOption{
				{Header: &core.HeaderValue{Key: "x-bench", RawValue: path}},
			}}},
		}}}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

func main() {
	socket := flag.String("socket", "", "path of the Unix socket to serve on")
	flag.Parse()
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	extproc.RegisterExternalProcessorServer(server, processor{})
	log.Fatal(server.Serve(listener))
}
