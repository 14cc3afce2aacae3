/** How the image of a distribution is called that no image brought: this, and the cluster's name. */
const scheme = 'installed:'

export function installedImage(cluster: string): string {
  return `${scheme}${cluster}`
}

/** The cluster of such an image; undefined for an image that is one. */
export function clusterOf(image: string): string | undefined {
  return image.startsWith(scheme) ? image.slice(scheme.length) : undefined
}
