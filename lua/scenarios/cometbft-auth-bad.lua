return scenario "cometbft-auth-bad" {
  summary  = "A CometBFT node that proves its identity with a wrong signature: its peer refuses it, and the chain goes on.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "bad-handshake",
  args     = { fault = "auth-bad" },
  phases   = { before = 1, during = 6, after = 1 },
  expect   = { verdict = "holds" },
}
