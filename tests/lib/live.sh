# What the live steps share. Source it.
set -uo pipefail
turncoat=${TURNCOAT:-$TC_BUILD_ROOT/gcc/turncoat}
out=$TC_BUILD_ROOT/out
problems=0 checks=0

fail() {
  echo "FAILED: $*"
  problems=$((problems + 1))
}

# run_scenario NAME EXIT LEAST_BITTEN VERDICT [options…]: runs it, checks exit code, verdict and bitten faults. Where
# scenario_file is set, that is the file in which the scenario of this name stands.
run_scenario() {
  local name=$1 wanted=$2 least=$3 verdict=$4 code found bitten
  shift 4
  checks=$((checks + 1))
  timeout --foreground "${scenario_timeout:-120}" "$turncoat" run "${scenario_file:-$name}" --out "$out" --color never "$@" >"$TC_BUILD_ROOT/logs/run-$name.log" 2>&1
  code=$?
  found=$(tests/lib/json "$out/$name/latest/result.json" verdict)
  bitten=$(tests/lib/json "$out/$name/latest/result.json" bitten)
  if [ "$code" != "$wanted" ] || [ "$found" != "$verdict" ] || [ "${bitten:-0}" -lt "$least" ]; then
    fail "run $name $*: exit $code (wanted $wanted), verdict ${found:-none} (wanted $verdict), ${bitten:-0} bitten (wanted $least or more)"
    tail -n 40 "$TC_BUILD_ROOT/logs/run-$name.log" | sed 's/^/    /'
    return 1
  fi
  printf 'ok  %-32s exit %d  %-9s %s bitten\n' "$name" "$code" "$found" "$bitten"
}

finish() {
  echo "$checks runs, $problems problems"
  [ $problems -eq 0 ]
}
