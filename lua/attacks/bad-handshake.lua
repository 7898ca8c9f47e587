return attack "bad-handshake" {
  summary  = "Somebody who cannot greet: the handshakes of an encrypted link break off, or are garbage, or prove a wrong identity.",
  source   = "CometBFT p2p/conn/evil_secret_connection_test.go",
  tags     = { "robustness", "network" },
  args     = {
    fault   = { "auth-bad", "ephemeral-withheld, ephemeral-bad, auth-withheld, auth-bad or auth-garbled" },
    traitor = { 0, "who greets badly", min = 0 },
    victim  = { 1, "the node that it greets", min = 0 },
    times   = { 3, "how many handshakes in a row", min = 1 },
  },
  traitors = function(c, a) return { a.traitor } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  crashes  no replica ended",

  on_start = function(c, a)
    c:break_handshake(a.fault, a.traitor, a.victim, a.times)
  end,
}
