package passforttest

import "net/http"

type image struct{ ID, Name string }
type formRequest struct{}
type Flow struct{}
type originServer struct{ srv *http.Server }
type visitLog struct{}

func (s *Server) addFlow(Flow)                                {}
func (p *profile) activeRequest() *formRequest                { return nil }
func (p *profile) document(id string) object                  { return nil }
func imagesWire([]*image) []object                            { return []object{} }
func (s *Server) createDocument(*call) (*reply, error)        { return nil, notFound("") }
func (s *Server) uploadFile(*call) (*reply, error)            { return nil, notFound("") }
func (s *Server) getFile(*call) (*reply, error)               { return nil, notFound("") }
func (s *Server) listImages(*call) (*reply, error)            { return nil, notFound("") }
func (s *Server) uploadImage(*call) (*reply, error)           { return nil, notFound("") }
func (s *Server) getImage(*call) (*reply, error)              { return nil, notFound("") }
func (s *Server) createCustomerRequest(*call) (*reply, error) { return nil, notFound("") }
func (s *Server) latestCustomerRequest(*call) (*reply, error) { return nil, notFound("") }
