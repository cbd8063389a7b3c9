// Package aws is what a node may ask and do in Amazon's cloud: who it is (the metadata service, IMDSv2 only), and the EBS volumes of its own instance
// (EC2). Nothing here is reached where the machine isn't an instance, and the EC2 client is made at its first use. It decides nothing: what is bought and when
// comes from the caller. No other package imports Amazon's SDK.
package aws
