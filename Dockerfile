# The simulator as a container: docker build -t passfort-sim .
#
#   docker run -p 127.0.0.1:4010:4010 -e PASSFORT_SIM_API_KEY=KEY passfort-sim
#
# The state is gone with the container. To keep it, give it a volume that user
# 65532 may write to:
#
#   docker run -v passfort-sim:/state -e PASSFORT_SIM_STATE=/state/journal ...
#
# The pages at /_sim/ take the API key as password, under the name localhost. Add
# PASSFORT_SIM_TLS=/state/ca.pem for https, and PASSFORT_SIM_HOSTS with the name
# other containers know it by: see compose.yaml.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /passfort-sim ./cmd/passfort-sim \
	&& mkdir /state

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /passfort-sim /passfort-sim
COPY LICENSE cmd/passfort-sim/THIRD_PARTY.txt /licences/
COPY --from=build --chown=65532:65532 /state /state
USER 65532:65532
ENV PASSFORT_SIM_ADDR=0.0.0.0:4010 PASSFORT_SIM_ADMIN_HOSTS=localhost,127.0.0.1
EXPOSE 4010
VOLUME /state
ENTRYPOINT ["/passfort-sim"]
