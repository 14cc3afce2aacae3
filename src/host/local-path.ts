import { homedir } from 'node:os'

/** A path on this machine; a leading `~/` is the user's home. */
export function localPath(path: string): string {
  return path.replace(/^~(?=\/)/, homedir())
}
