#!/usr/bin/env escript
%% Serves each kind of packet at a port of its own, KIND=PORT, and sends back every two messages in the opposite order:
%% who reads them in the right order has seen where each ends.

-mode(compile).

main(Arguments) ->
    lists:foreach(fun serve/1, Arguments),
    io:format("ready~n"),
    receive stop -> ok end.

serve(Argument) ->
    [Kind, Port] = string:split(Argument, "="),
    Packet = case string:to_integer(Kind) of {Width, []} -> Width; _ -> list_to_atom(Kind) end,
    Options = [binary, {packet, Packet}, {active, false}, {ip, {127, 0, 0, 1}}, {reuseaddr, true}],
    {ok, Listener} = gen_tcp:listen(list_to_integer(Port), Options),
    spawn_link(fun() -> accept(Listener) end).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    spawn_link(fun() -> accept(Listener) end),
    swap(Socket).

swap(Socket) ->
    case {gen_tcp:recv(Socket, 0), gen_tcp:recv(Socket, 0)} of
        {{ok, One}, {ok, Two}} ->
            ok = gen_tcp:send(Socket, Two),
            ok = gen_tcp:send(Socket, One),
            swap(Socket);
        _ ->
            gen_tcp:close(Socket)
    end.
