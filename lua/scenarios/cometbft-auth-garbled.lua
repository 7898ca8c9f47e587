return scenario "cometbft-auth-garbled" {
  summary  = "A CometBFT node whose proof of identity does not decrypt: its peer refuses it, and the chain goes on.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "bad-handshake",
  args     = { fault = "auth-garbled" },
  phases   = { before = 1, during = 6, after = 1 },
  expect   = { verdict = "holds" },
}
