return scenario "cometbft-ephemeral-bad" {
  summary  = "A CometBFT node that says bytes that are no key: its peer refuses it, and the chain goes on.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "bad-handshake",
  args     = { fault = "ephemeral-bad" },
  phases   = { before = 1, during = 6, after = 1 },
  expect   = { verdict = "holds" },
}
