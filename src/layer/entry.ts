import type { Digest } from '../model/digest.ts'

/** One member of a layer's tar, normalised and checked, in the layer's order. Contents are hashed, not kept. */
export type LayerEntry =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 'file'
      readonly path: string
      readonly digest: Digest
      readonly size: number
      readonly executable: boolean
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'hardlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'whiteout'; readonly path: string }
  | { readonly kind: 'opaque'; readonly path: string }
