-- The benchmark's script for delays: every message is asked to come later by the same time.
return attack "delay" {
  summary = "Delays every message by the same time.",
  kinds = { "vote" },
  args = { seconds = { 0.002, "delay of each message" } },
  on_message = function(c, m, a)
    return delay(a.seconds)
  end,
}
