return scenario "cometbft-ephemeral-withheld" {
  summary  = "A CometBFT node that hangs up before it has said anything: its peer refuses it, and the chain goes on.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "bad-handshake",
  args     = { fault = "ephemeral-withheld" },
  phases   = { before = 1, during = 6, after = 1 },
  expect   = { verdict = "holds" },
}
