return scenario "cometbft-oversized-part-set" {
  summary  = "A CometBFT proposal of 4294967295 parts: the peer that is told hangs up, and makes no room for them.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "oversized-part-set",
  phases   = { before = 1, during = 6, after = 2 },
  expect   = { verdict = "holds" },
}
