package checkpoint

var ways = anywhere
