import { spawnSync } from 'node:child_process'

/**
 * What the peers' scripts are made of. They find $REGISTRY, $SSH with $TARGET, $HOST (a folder on the host), $WORK
 * (one here) and $SHARED (one here for all runs, of what is not measured).
 */
export const shellFunctions = `
host() { $SSH "$TARGET" "$1"; }
flip() { host "ln -sfn $1 $HOST/new && mv -T $HOST/new $HOST/current"; }
unpack() { # unpack NAME TAG BUNDLE: skopeo leaves out what the layout has; umoci flattens
  skopeo copy --quiet --src-tls-verify=false "docker://$REGISTRY/bench/$1:$2" "oci:$WORK/oci:$1-$2"
  umoci unpack ${process.getuid?.() === 0 ? '' : '--rootless'} --image "$WORK/oci:$1-$2" "$3"
}
send() { # send BUNDLE TO OPTIONS
  rsync -a "\${@:3}" -e "$SSH" "$1/rootfs/" "$TARGET:$HOST/$2/"
}
export_() { crane export --insecure "$REGISTRY/bench/$1" -; }
stream() { export_ "$1" | host "mkdir -p $HOST/$2 && tar -xC $HOST/$2"; }
tree() { # tree NAME TAG: unpacked once
  [ -e "$SHARED/$1-$2" ] || { unpack "$1" "$2" "$WORK/new"; mv "$WORK/new" "$SHARED/$1-$2"; }
}
stored() { # stored NAME TAG: added once to a store here
  [ -e "$SHARED/$1-$2.path" ] && return
  tree "$1" "$2"
  nix store add-path --store "$SHARED/nix-root" --name "$1-$2" "$SHARED/$1-$2/rootfs" >"$WORK/path"
  mv "$WORK/path" "$SHARED/$1-$2.path"
}
copy() { # copy NAME-TAG
  nix copy --no-check-sigs --store "$SHARED/nix-root" --to "ssh://$TARGET?remote-store=$HOST/nix-root" "$(cat "$SHARED/$1.path")"
}
onHost() { echo "nix-root$(cat "$SHARED/$1.path")"; }
`

/** Nix without its daemon, its users and the network. */
export const nixSettings = `experimental-features = nix-command
substituters =
build-users-group =
`

export function isMissing(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status !== 0
}
