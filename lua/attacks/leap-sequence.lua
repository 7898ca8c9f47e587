return attack "leap-sequence" {
  summary  = "The leader leaves sequence numbers out: all that it proposes comes so many later, and what it jumped over is never proposed.",
  source   = "Castro & Liskov, OSDI'99, section 4.2 (watermarks: a faulty primary must not exhaust the numbers) and 4.4 (null requests fill gaps)",
  tags     = { "liveness", "sequence", "pbft" },
  kinds    = { "propose", "vote" },
  args     = {
    by = { 1, "how many sequence numbers it jumps over; 2^40 = 1099511627776 is beyond every watermark", min = 1, max = 1099511627776 },
  },
  traitors = function(c) return { c:leader(c.view) } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  bounded recovery  a view change filled the gap with a null request",

  on_start = function(c)
    c.state.view = c.view
  end,

  on_message = function(c, m, a)
    local s = c.state
    if not m:has("signer") or not c:is_traitor(m.signer) or not m:has("sequence") or m.view ~= s.view then return end
    if m.kind == "propose" and not s.first then s.first = m.sequence end
    if not s.first or m.sequence < s.first then return end
    return replace(m:with{ sequence = m.sequence + a.by }:sign(m.signer), "so many later")
  end,
}
