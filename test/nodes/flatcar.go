package nodes

import "errors"

// flatcarRecipe: not made yet.
func flatcarRecipe() (recipe, error) {
	return recipe{}, errors.New("making a Flatcar node: there is no recipe for it yet")
}
